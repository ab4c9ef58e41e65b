output "name" {
  description = "The service's name in its cluster; null where it has no image yet."
  value       = one(aws_ecs_service.this[*].name)
}

output "task_definition" {
  description = "ARN of the task definition that it runs; null where it has no image yet."
  value       = one(aws_ecs_task_definition.this[*].arn)
}

output "task_role" {
  description = "ARN of the role that its tasks have."
  value       = aws_iam_role.task.arn
}
