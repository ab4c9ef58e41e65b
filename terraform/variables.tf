variable "environment" {
  description = "Which of the three this is; state, names and tags carry it."
  type        = string
  nullable    = false

  validation {
    condition     = contains(["development", "staging", "production"], var.environment)
    error_message = "environment must be development, staging or production."
  }
}

variable "project" {
  description = "First part of every name: lower-case letters, digits and hyphens."
  type        = string
  default     = "fairmark"
  nullable    = false

  validation {
    condition     = can(regex("^[a-z][a-z0-9-]{1,14}$", var.project))
    error_message = "project must be 2 to 15 lower-case letters, digits and hyphens, a letter first."
  }
}

variable "region" {
  description = "The AWS region that all of it is in; where personal data lies is decided here."
  type        = string
  nullable    = false

  validation {
    condition     = can(regex("^[a-z]{2}(-[a-z]+)+-[0-9]$", var.region))
    error_message = "region must be the name of a region, such as eu-central-1."
  }
}

variable "cidr" {
  description = "Addresses of the network, a /16: each zone gets a public and a private /20 of it."
  type        = string
  default     = "10.20.0.0/16"
  nullable    = false

  validation {
    condition     = can(cidrhost(var.cidr, 0)) && endswith(var.cidr, "/16")
    error_message = "cidr must be an IPv4 block of 16 bits, such as 10.20.0.0/16."
  }
}

variable "zones" {
  description = "Letters of the availability zones to spread over: named, so that a zone that AWS adds moves nothing."
  type        = list(string)
  default     = ["a", "b"]
  nullable    = false

  validation {
    condition     = length(distinct(var.zones)) == length(var.zones) && contains([2, 3], length(var.zones)) && alltrue([for each in var.zones : can(regex("^[a-z]$", each))])
    error_message = "zones must be 2 or 3 different letters: a load balancer needs two."
  }
}

variable "nat_per_zone" {
  description = "Whether each zone has a NAT gateway of its own (survives a zone's failure, costs one more each)."
  type        = bool
  default     = false
  nullable    = false
}

variable "internal" {
  description = "Whether the service is reached from inside the network alone. A public one gets a web firewall."
  type        = bool
  default     = true
  nullable    = false
}

variable "allowed_cidrs" {
  description = "Address blocks that may reach the service."
  type        = list(string)
  default     = ["10.20.0.0/16"]
  nullable    = false

  validation {
    condition     = length(var.allowed_cidrs) > 0 && alltrue([for each in var.allowed_cidrs : can(cidrhost(each, 0))])
    error_message = "allowed_cidrs must be one or more address blocks."
  }
}

variable "certificate_arn" {
  description = "The ACM certificate of the service's name, in the same region."
  type        = string
  nullable    = false

  validation {
    condition     = can(regex("^arn:aws[a-z-]*:acm:[a-z0-9-]+:[0-9]{12}:certificate/[A-Za-z0-9-]+$", var.certificate_arn))
    error_message = "certificate_arn must be the ARN of an ACM certificate."
  }
}

variable "images" {
  description = "The service's image of each colour, by digest; empty where that colour holds no release."
  type        = map(string)
  default     = { blue = "", green = "" }
  nullable    = false

  validation {
    condition     = toset(keys(var.images)) == toset(["blue", "green"])
    error_message = "images must name blue and green."
  }
  validation {
    condition     = alltrue([for each in values(var.images) : each == "" || can(regex("@sha256:[0-9a-f]{64}$", each))])
    error_message = "images must be named by digest (REPOSITORY@sha256:...): a tag can come to mean another image."
  }
}

variable "releases" {
  description = "The release that the image of each colour holds, NAME@vX.Y.Z; empty where it holds none."
  type        = map(string)
  default     = { blue = "", green = "" }
  nullable    = false

  validation {
    condition     = toset(keys(var.releases)) == toset(["blue", "green"])
    error_message = "releases must name blue and green."
  }
  validation {
    condition     = alltrue([for each in values(var.releases) : each == "" || can(regex("^[a-z][a-z0-9-]*[a-z0-9]@v[0-9]+\\.[0-9]+\\.[0-9]+$", each))])
    error_message = "releases must be release tags, NAME@vX.Y.Z."
  }
}

variable "worker_image" {
  description = "The image of the flow worker, the Prefect server and MLflow, by digest; empty where none of them runs yet."
  type        = string
  default     = ""
  nullable    = false

  validation {
    condition     = var.worker_image == "" || can(regex("@sha256:[0-9a-f]{64}$", var.worker_image))
    error_message = "worker_image must be named by digest (REPOSITORY@sha256:...)."
  }
}

variable "size" {
  description = "CPU units and MiB of one task of the service, and the fewest and most tasks of a colour that has an image."
  type = object({
    cpu     = number
    memory  = number
    fewest  = number
    most    = number
    percent = optional(number, 60)
  })
  default  = { cpu = 1024, memory = 2048, fewest = 2, most = 6 }
  nullable = false

  validation {
    condition     = contains([256, 512, 1024, 2048, 4096], var.size.cpu)
    error_message = "size.cpu must be 256, 512, 1024, 2048 or 4096."
  }
  validation {
    condition     = var.size.memory >= 2 * var.size.cpu && var.size.memory <= 8 * var.size.cpu
    error_message = "size.memory must be 2 to 8 times size.cpu, as Fargate has it."
  }
  validation {
    condition     = var.size.fewest >= 1 && var.size.most >= var.size.fewest && var.size.most <= 100
    error_message = "size must have 1 <= fewest <= most <= 100."
  }
  validation {
    condition     = var.size.percent >= 20 && var.size.percent <= 90
    error_message = "size.percent, the CPU that autoscaling aims at, must be 20 to 90."
  }
}

variable "release_key" {
  description = "The public key that releases are verified by before they are loaded (PEM): whoever deploys names it, not the image."
  type        = string
  nullable    = false

  validation {
    condition     = startswith(var.release_key, "-----BEGIN PUBLIC KEY-----")
    error_message = "release_key must be a public key in PEM."
  }
}

variable "health_path" {
  description = "Where the service says that it is ready."
  type        = string
  default     = "/readyz"
  nullable    = false

  validation {
    condition     = startswith(var.health_path, "/")
    error_message = "health_path must start with a slash."
  }
}

variable "databases" {
  description = "Class, GiB and days of point-in-time recovery of each database; `standby` keeps a second copy in another zone."
  type = map(object({
    class   = string
    storage = number
    days    = number
    standby = bool
  }))
  default = {
    journal = { class = "db.t4g.small", storage = 50, days = 35, standby = false }
    prefect = { class = "db.t4g.micro", storage = 20, days = 7, standby = false }
    mlflow  = { class = "db.t4g.micro", storage = 20, days = 7, standby = false }
  }
  nullable = false

  validation {
    condition     = toset(keys(var.databases)) == toset(["journal", "prefect", "mlflow"])
    error_message = "databases must be journal, prefect and mlflow."
  }
  validation {
    condition     = alltrue([for each in values(var.databases) : each.days >= 1 && each.days <= 35])
    error_message = "databases: days must be 1 to 35, which is as far back as RDS recovers to a point in time."
  }
  validation {
    condition     = alltrue([for each in values(var.databases) : each.storage >= 20])
    error_message = "databases: storage must be 20 GiB or more."
  }
  validation {
    condition     = var.environment != "production" || var.databases["journal"].standby
    error_message = "databases: in production the journal must have a standby: no decision leaves without it."
  }
}

variable "postgres_version" {
  description = "The major version of PostgreSQL; minor ones follow by themselves."
  type        = string
  default     = "15"
  nullable    = false

  validation {
    condition     = can(regex("^1[5-7]$", var.postgres_version))
    error_message = "postgres_version must be 15, 16 or 17."
  }
}

variable "object_lock_days" {
  description = "Days for which nobody can delete or replace a released file."
  type        = number
  default     = 365
  nullable    = false

  validation {
    condition     = var.object_lock_days >= 1 && var.object_lock_days <= 36500
    error_message = "object_lock_days must be 1 to 36500."
  }
}

variable "object_lock_mode" {
  description = "COMPLIANCE: nobody shortens it, the account's root neither. GOVERNANCE: a role with a special right may."
  type        = string
  default     = "GOVERNANCE"
  nullable    = false

  validation {
    condition     = contains(["GOVERNANCE", "COMPLIANCE"], var.object_lock_mode)
    error_message = "object_lock_mode must be GOVERNANCE or COMPLIANCE."
  }
}

variable "log_days" {
  description = "Days that logs are kept; one of the periods that CloudWatch knows, a year at least in production."
  type        = number
  default     = 365
  nullable    = false

  validation {
    condition     = contains([30, 60, 90, 120, 150, 180, 365, 400, 545, 731, 1096, 1827, 2192, 2557, 2922, 3288, 3653], var.log_days)
    error_message = "log_days must be a period of CloudWatch Logs, from 30."
  }
  validation {
    condition     = var.environment != "production" || var.log_days >= 365
    error_message = "log_days must be 365 or more in production."
  }
}

variable "protect" {
  description = "Whether databases, load balancer and buckets refuse to be destroyed."
  type        = bool
  default     = true
  nullable    = false

  validation {
    condition     = var.environment != "production" || var.protect
    error_message = "protect must be true in production."
  }
}

variable "alarm_address" {
  description = "Mail address of whoever is on call."
  type        = string
  nullable    = false

  validation {
    condition     = can(regex("^[^@ ]+@[^@ ]+\\.[a-z]+$", var.alarm_address))
    error_message = "alarm_address must be a mail address."
  }
}

variable "callback_url" {
  description = "HTTPS address that is called when an alarm goes off or is over; empty for mail alone."
  type        = string
  default     = ""
  nullable    = false

  validation {
    condition     = var.callback_url == "" || startswith(var.callback_url, "https://")
    error_message = "callback_url must be an https address."
  }
}

variable "alarms" {
  description = "When somebody is called: share of 5xx answers, slow answers in seconds (99th percentile), and free GiB of a database."
  type = object({
    faults_share = number
    slow_s       = number
    free_gib     = number
  })
  default  = { faults_share = 0.01, slow_s = 0.5, free_gib = 5 }
  nullable = false

  validation {
    condition     = var.alarms.faults_share > 0 && var.alarms.faults_share < 1 && var.alarms.slow_s > 0 && var.alarms.free_gib > 0
    error_message = "alarms must have a share in 0..1, and seconds and GiB above 0."
  }
}

variable "budget_usd" {
  description = "US dollars a month; 80% of it, and a forecast beyond it, are told by mail."
  type        = number
  nullable    = false

  validation {
    condition     = var.budget_usd > 0
    error_message = "budget_usd must be above 0."
  }
}

variable "github_repository" {
  description = "OWNER/NAME of the repository whose workflows may deploy."
  type        = string
  nullable    = false

  validation {
    condition     = can(regex("^[A-Za-z0-9][A-Za-z0-9-]*/[A-Za-z0-9._-]+$", var.github_repository))
    error_message = "github_repository must be OWNER/NAME."
  }
}

variable "github_provider" {
  description = "Whether this state makes the account's OIDC provider for GitHub; an account has one, so one environment makes it."
  type        = bool
  default     = true
  nullable    = false
}

variable "state_bucket" {
  description = "The bucket that holds Terraform's state: the deploying role may read and write this environment's there."
  type        = string
  nullable    = false

  validation {
    condition     = can(regex("^[a-z0-9][a-z0-9.-]{1,61}[a-z0-9]$", var.state_bucket))
    error_message = "state_bucket must be the name of a bucket."
  }
}
