#!/usr/bin/env bash
# Install Debian's PostgreSQL for the tests, where that is possible and it is not there yet.
compgen -G "/usr/lib/postgresql/*/bin/initdb" > /dev/null && exit 0
if [ "$(id -u)" = 0 ] && command -v apt-get > /dev/null; then
    echo "· installing PostgreSQL for the tests"
    export DEBIAN_FRONTEND=noninteractive
    { apt-get update -qq && apt-get install -y -qq --no-install-recommends postgresql; } > /dev/null 2>&1 && exit 0
fi
echo "· PostgreSQL cannot be installed here; its tests will be skipped"
