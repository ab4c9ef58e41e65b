"""Who lets a release out: approvers, approvals, promotions and their history."""
