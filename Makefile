tools: ## get nats-server 2.15 or newer into .tools/bin, unless it is there or on PATH
	@python3 scripts/nats_server.py .tools/bin
.PHONY: tools
