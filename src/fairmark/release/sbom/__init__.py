"""The bill of materials: libraries, licences, model and data as CycloneDX."""
