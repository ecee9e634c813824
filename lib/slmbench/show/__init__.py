"""Pictures, live charts and reports of a run. Import the module you need: `progress` stays free of matplotlib."""
