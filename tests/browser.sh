#!/usr/bin/env bash
# Install Debian's Chromium and fonts for the tests of the console, where that is possible.
command -v chromium > /dev/null && fc-list | grep -q "Noto Sans CJK" && exit 0
if [ "$(id -u)" = 0 ] && command -v apt-get > /dev/null; then
    echo "· installing Chromium for the tests"
    export DEBIAN_FRONTEND=noninteractive
    { apt-get update -qq && apt-get install -y -qq --no-install-recommends \
        chromium fontconfig fonts-inter fonts-noto-cjk fonts-noto-color-emoji; } > /dev/null 2>&1 && exit 0
fi
echo "· Chromium cannot be installed here; the tests in a browser will be skipped"
