# shellcheck shell=bash
# SPDX-License-Identifier: MPL-2.0

run_install() {
    local folder programs
    need_rust
    need "${packages_to_build[@]}"
    case $#:${1:-} in
    0:*)
        if [ "$(id -u)" = 0 ]; then
            folder=$(pkg-config --variable=pluginsdir gstreamer-1.0)
            programs=/usr/local/bin
        else
            folder=${XDG_DATA_HOME:-$HOME/.local/share}/gstreamer-1.0/plugins
            programs=$HOME/.local/bin
        fi
        ;;
    2:--prefix)
        folder=$(cd "$here" && realpath -m "$2")
        programs=$folder/bin
        folder=$(pkg-config --define-variable=prefix="$folder" --variable=pluginsdir gstreamer-1.0)
        ;;
    *) die "usage: ./dev install [--prefix DIR]" ;;
    esac
    build_plugins install
    folder=${DESTDIR:-}$folder
    step "Installing into $folder"
    install -d "$folder"
    install -v -m 644 "$plugins"/libgst*.so "$folder"
    install -v -m 755 "$plugins"/codecwatch-hardware "$plugins"/codecwatch-worker "$folder"
    step "Installing into ${DESTDIR:-}$programs"
    install -d "${DESTDIR:-}$programs"
    install -v -m 755 "$target/install/release/codecwatch-transcode" "${DESTDIR:-}$programs"
    if [ $# = 2 ]; then
        echo "GStreamer finds them with GST_PLUGIN_PATH=$folder"
    fi
}
