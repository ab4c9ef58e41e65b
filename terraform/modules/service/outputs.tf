output "name" {
  description = "The service's name in its cluster."
  value       = aws_ecs_service.this.name
}

output "task_definition" {
  description = "ARN of the task definition that it runs."
  value       = aws_ecs_task_definition.this.arn
}

output "task_role" {
  description = "ARN of the role that its tasks have."
  value       = aws_iam_role.task.arn
}
