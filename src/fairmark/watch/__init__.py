"""What a release does while it decides, beside what it was released with: drift, fairness, quality, alarms."""
