"""params.yaml as frozen, typed sections."""
