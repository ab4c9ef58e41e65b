environment     = "development"
zones           = ["a", "b"]
size            = { cpu = 512, memory = 1024, fewest = 1, most = 2 }
protect         = false
log_days        = 30
budget_usd      = 250
github_provider = true
databases = {
  journal = { class = "db.t4g.micro", storage = 20, days = 7, standby = false }
  prefect = { class = "db.t4g.micro", storage = 20, days = 1, standby = false }
  mlflow  = { class = "db.t4g.micro", storage = 20, days = 1, standby = false }
}
