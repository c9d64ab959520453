"""What every floor stands on: settings, the database, events, ids and the clock."""
