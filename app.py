"""Build the page and launch it: `python app.py [--host H] [--port P]`. A Space runs this file."""

import os
import sys

os.environ.setdefault("OPENBLAS_NUM_THREADS", "1")  # numpy's products here are too small to share; read at its import

from charrnn.errors import CharRNNError
from charrnn.ui.page import launch

if __name__ == "__main__":
    try:
        launch()
    except CharRNNError as error:
        sys.exit(f"charrnn: {error}")
