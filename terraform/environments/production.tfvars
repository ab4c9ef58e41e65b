environment      = "production"
zones            = ["a", "b", "c"]
nat_per_zone     = true
size             = { cpu = 2048, memory = 4096, fewest = 3, most = 12 }
protect          = true
log_days         = 731
budget_usd       = 2000
object_lock_days = 1095
object_lock_mode = "COMPLIANCE"
github_provider  = false # made by development, in the same account; true where production has an account of its own
databases = {
  journal = { class = "db.m7g.large", storage = 200, days = 35, standby = true }
  prefect = { class = "db.t4g.small", storage = 20, days = 14, standby = true }
  mlflow  = { class = "db.t4g.small", storage = 20, days = 14, standby = true }
}
