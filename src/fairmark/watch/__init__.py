"""What a release does while it decides, held against its reference: drift, fairness, quality, alarms."""
