output "dvc_remote" {
  description = "For `dvc remote add`: the URL of the bucket that DVC keeps data in."
  value       = "s3://${aws_s3_bucket.this["data"].id}/dvc"
}

output "releases" {
  description = "URL of the bucket that released folders go to; nobody can delete there within the lock's days."
  value       = "s3://${aws_s3_bucket.this["releases"].id}"
}

output "registry" {
  description = "For the repository's variable AWS_REGISTRY: where the service's images are pushed."
  value       = aws_ecr_repository.this["service"].repository_url
}

output "worker_registry" {
  description = "Where the worker's images are pushed."
  value       = aws_ecr_repository.this["worker"].repository_url
}

output "publish_role" {
  description = "For the GitHub environment `release`, AWS_PUBLISH_ROLE: who may push images."
  value       = aws_iam_role.github["publish"].arn
}

output "deploy_role" {
  description = "For the GitHub environment of this name, AWS_DEPLOY_ROLE: who may deploy."
  value       = aws_iam_role.github["deploy"].arn
}

output "listener" {
  description = "ARN of the listener whose weights the promote flow moves (flows/traffic.py, FAIRMARK_LISTENER)."
  value       = aws_lb_listener.https.arn
}

output "cluster" {
  description = "The ECS cluster, for FAIRMARK_CLUSTER: flows/traffic.py scales a colour in it before it gets more traffic."
  value       = aws_ecs_cluster.this.name
}

output "images" {
  description = "The service's image of each colour, as applied."
  value       = var.images
}

output "releases_of_colours" {
  description = "The release of each colour, as applied."
  value       = var.releases
}

output "address" {
  description = "DNS name of the load balancer, for a CNAME of the certificate's name."
  value       = aws_lb.this.dns_name
}

output "prefect_api" {
  description = "For PREFECT_API_URL, from inside the network."
  value       = "${local.prefect}/api"
}

output "mlflow" {
  description = "For MLFLOW_TRACKING_URI, from inside the network."
  value       = local.mlflow
}

output "databases" {
  description = "Identifier of each database, for a restore to a point in time."
  value       = { for name, each in aws_db_instance.this : name => each.identifier }
}

output "secrets" {
  description = "Names of the secrets that a person fills after the first apply."
  value       = { for name, each in aws_secretsmanager_secret.this : name => each.name }
}
