# Shortcuts; each script says itself what it does.
.PHONY: demo test bench test-deploy

demo: ; script/demo
test: ; script/test
bench: ; script/bench
test-deploy: ; script/test-deploy
