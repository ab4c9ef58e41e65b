environment     = "staging"
zones           = ["a", "b"]
size            = { cpu = 1024, memory = 2048, fewest = 1, most = 4 }
protect         = true
log_days        = 90
budget_usd      = 500
github_provider = false # made by development, in the same account
databases = {
  journal = { class = "db.t4g.small", storage = 50, days = 14, standby = false }
  prefect = { class = "db.t4g.micro", storage = 20, days = 7, standby = false }
  mlflow  = { class = "db.t4g.micro", storage = 20, days = 7, standby = false }
}
