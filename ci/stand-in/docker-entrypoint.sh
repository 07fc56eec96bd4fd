#!/bin/bash
# What the public image's entry point does, as far as stockpipe can notice: it takes the prefix LOCALSTACK_ off settings,
# activates the virtual environment, runs boot hooks and becomes the supervisor, which passes signals on.
set -eo pipefail

while IFS= read -r name; do
    case "$name" in
        LOCALSTACK_HOST* | LOCALSTACK_[0-9]*) ;;
        LOCALSTACK_?*) export "${name#LOCALSTACK_}=${!name}" ;;
    esac
done < <(compgen -e)

mkdir -p /var/lib/localstack/logs
source /opt/code/localstack/.venv/bin/activate
if [ -d /etc/localstack/init/boot.d ]; then
    python3 -m localstack.runtime.init BOOT
fi
exec localstack-supervisor
