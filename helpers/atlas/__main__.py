"""Write the atlas as JSON: `python -m helpers.atlas > atlas.json`.

`python -m helpers.atlas tf_keras` examines the layers of another package.
"""

import json
import os
import sys
from importlib import import_module

if "tf_keras" in sys.argv[1:]:
    os.environ.setdefault("TF_USE_LEGACY_KERAS", "1")  # some of its layers ask `tf.keras`

from helpers.atlas import as_json, atlas

keras = import_module(sys.argv[1] if len(sys.argv) > 1 else "keras")
# In ASCII: a console of Windows would write another encoding into the file.
json.dump(as_json(atlas(keras=keras), keras=keras), sys.stdout, indent=1)
print()
