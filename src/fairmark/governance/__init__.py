"""Approvers, approvals, promotions, history, the policy gate and the audit trail."""
