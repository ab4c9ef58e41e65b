"""The canary: a challenger that answers a share of requests until evidence makes it grow, end or return."""
