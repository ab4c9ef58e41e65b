terraform {
  required_version = ">= 1.11.0, < 2.0.0"

  required_providers {
    aws = {
      source  = "hashicorp/aws"
      version = "5.100.0"
    }
  }

  # Bucket and key come with `terraform init -backend-config=...`: one state for each environment (docs/deploy.md).
  backend "s3" {
    encrypt      = true
    use_lockfile = true
  }
}

# Region, credentials and, for an emulator, the endpoint come from the environment (AWS_ENDPOINT_URL): no variable
# of this configuration makes it talk to anything but AWS.
provider "aws" {
  region = var.region

  default_tags {
    tags = {
      project     = var.project
      environment = var.environment
      managed-by  = "terraform"
    }
  }
}
