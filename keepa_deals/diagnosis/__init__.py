"""Why are deals dwindling? Evidence, explicit rules, a verdict, and how it is shown."""
