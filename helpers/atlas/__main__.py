"""Write the atlas as JSON: `python -m helpers.atlas > atlas.json`.

`python -m helpers.atlas tf_keras` examines the layers of another package.
"""

import json
import sys
from importlib import import_module

from helpers.atlas import as_json, atlas

keras = import_module(sys.argv[1] if len(sys.argv) > 1 else "keras")
json.dump(as_json(atlas(keras=keras), keras=keras), sys.stdout, indent=1, ensure_ascii=False)
print()
