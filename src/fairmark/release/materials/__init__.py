"""The bill of materials: what is installed, the model, the data, and under which licences."""
