"""An endless ward of small models, each with one known fault or none: `patient(n)`.

Used by notebook 08, and the ground truth against which the probes are tested. Where to find
what: `ward` admits patients; `kinds` says what a kind of fault is; `faults_in_the_data`,
`faults_on_the_way` and `faults_at_the_reader` hold the faults, `sound` the models without one;
`own_layers` the layers that owners wrote themselves; `stories` what owners tell.
"""

from helpers.patients.ward import Patient, Truth, patient

__all__ = ["Patient", "Truth", "patient"]
