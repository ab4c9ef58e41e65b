variable "name" {
  description = "Name of the service, its task family, its roles and its log group."
  type        = string
  nullable    = false

  validation {
    condition     = can(regex("^[a-z][a-z0-9-]{1,50}$", var.name))
    error_message = "name must be 2 to 51 lower-case letters, digits and hyphens."
  }
}

variable "cluster" {
  description = "Name and ARN of the ECS cluster."
  type        = object({ name = string, arn = string })
  nullable    = false
}

variable "image" {
  description = "The image, by digest; empty where there is none yet: then roles and log group alone are made."
  type        = string
  nullable    = false

  validation {
    condition     = var.image == "" || can(regex("@sha256:[0-9a-f]{64}$", var.image))
    error_message = "image must be named by digest (REPOSITORY@sha256:...)."
  }
}

variable "repository" {
  description = "ARN of the repository that the image is pulled from."
  type        = string
  nullable    = false

  validation {
    condition     = can(regex("^arn:[a-z-]+:ecr:", var.repository))
    error_message = "repository must be the ARN of an ECR repository."
  }
}

variable "command" {
  description = "What the container runs; empty for what its image says."
  type        = list(string)
  default     = []
  nullable    = false
}

variable "health" {
  description = "Command that ends with 0 while the container is well."
  type        = list(string)
  nullable    = false

  validation {
    condition     = length(var.health) > 0
    error_message = "health must be a command."
  }
}

variable "cpu" {
  description = "CPU units of one task."
  type        = number
  nullable    = false

  validation {
    condition     = contains([256, 512, 1024, 2048, 4096], var.cpu)
    error_message = "cpu must be 256, 512, 1024, 2048 or 4096."
  }
}

variable "memory" {
  description = "MiB of one task."
  type        = number
  nullable    = false

  validation {
    condition     = var.memory >= 512 && var.memory <= 30720
    error_message = "memory must be 512 to 30720."
  }
}

variable "tasks" {
  description = "Fewest and most tasks; the CPU in percent that autoscaling aims at."
  type        = object({ fewest = number, most = number, percent = optional(number, 60) })
  default     = { fewest = 1, most = 1 }
  nullable    = false

  validation {
    condition     = var.tasks.fewest >= 1 && var.tasks.most >= var.tasks.fewest
    error_message = "tasks must have 1 <= fewest <= most."
  }
}

variable "environment" {
  description = "Environment variables; no secret is one of them."
  type        = map(string)
  default     = {}
  nullable    = false

  validation {
    condition     = alltrue([for each in keys(var.environment) : !can(regex("PASSWORD|SECRET|TOKEN|KEYS|SUBJECT_KEY", each))])
    error_message = "environment must hold no secret: name it in secrets, by its ARN."
  }
}

variable "secrets" {
  description = "Environment variables whose values are in Secrets Manager, each by its ARN (and the key of a JSON in it)."
  type        = map(string)
  default     = {}
  nullable    = false

  validation {
    condition     = alltrue([for each in values(var.secrets) : startswith(each, "arn:")])
    error_message = "secrets must be ARNs."
  }
}

variable "keys" {
  description = "ARNs of the KMS keys that these secrets are encrypted with."
  type        = list(string)
  default     = []
  nullable    = false
}

variable "policies" {
  description = "What the tasks may do: one IAM policy's JSON, or none. (A list: how many is known before a policy is.)"
  type        = list(string)
  default     = []
  nullable    = false

  validation {
    condition     = length(var.policies) <= 1
    error_message = "policies must be one or none."
  }
}

variable "port" {
  description = "The port that the container listens on; 0 for none."
  type        = number
  default     = 0
  nullable    = false

  validation {
    condition     = var.port == 0 || (var.port >= 1024 && var.port <= 65535)
    error_message = "port must be 0 or 1024 to 65535: the container is not root."
  }
}

variable "target_groups" {
  description = "ARNs of the target groups that send traffic to it."
  type        = list(string)
  default     = []
  nullable    = false
}

variable "registries" {
  description = "ARNs of the service registries that name it inside the network: one or none."
  type        = list(string)
  default     = []
  nullable    = false

  validation {
    condition     = length(var.registries) <= 1
    error_message = "registries must be one or none."
  }
}

variable "subnets" {
  description = "Private subnets that its tasks run in."
  type        = list(string)
  nullable    = false
}

variable "security_groups" {
  description = "Security groups of its tasks."
  type        = list(string)
  nullable    = false
}

variable "logs" {
  description = "Days that its logs are kept, and the KMS key of them."
  type        = object({ days = number, key = string })
  nullable    = false
}

variable "alarms" {
  description = "Names of alarms that stop a deployment and bring the one before back."
  type        = list(string)
  default     = []
  nullable    = false
}
