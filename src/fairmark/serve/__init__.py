"""The service that answers with a released model: rows in, decisions out, each on record before it leaves."""
