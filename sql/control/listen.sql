-- listen: hints that a decision changed; what it is now is read with `load`
listen flowtrail_appstate
