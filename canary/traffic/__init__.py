"""The TrafficSplit in all its versions, and the fence around every write to it."""
