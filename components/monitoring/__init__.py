"""What watches the platform: the metrics exporter, Prometheus, Grafana."""
