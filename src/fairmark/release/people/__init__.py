"""Single people in the data: forgetting, keeping times, and what a release shows of them."""
