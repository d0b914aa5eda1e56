# Shortcuts; each script says itself what it does.
.PHONY: demo test bench campaign test-deploy

demo: ; script/demo
test: ; script/test
bench: ; script/bench
campaign: ; script/campaign
test-deploy: ; script/test-deploy
