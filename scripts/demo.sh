# shellcheck shell=bash
# SPDX-License-Identifier: MPL-2.0
#
# ./dev demo: a real transcode, then a rehearsed wedge, beside what a pipeline without a watchdog makes of it.

# indent: what a program says, set off from what ./dev says
indent() {
    sed "s/^/    $dim/; s/\$/$plain/"
}

pick_decoder() {
    for decoder in dav1dwatchdec dav1ddec av1dec avdec_av1; do
        ! has_element $decoder || return 0
    done
    die "no AV1 decoder is installed"
}

# rehearse_run FAULT FILE PROGRAM...: runs PROGRAM, which writes FILE, under the fault. What ran for 10 s gets a Ctrl-C
# (SIGINT); what has not ended 5 s later is killed.
rehearse_run() {
    local fault=$1 file=$2 line struck='' code=0 how
    shift 2
    rm -f "$file"
    while IFS= read -r line; do
        case $line in
        *'rehearse: '*) struck=$(clock) ;;
        'exit code '*) code=${line##* } ;;
        esac
        printf '%s\n' "$line"
    done >"$demo/output" < <(
        CODECWATCH_REHEARSE=$fault timeout --foreground --signal=INT --kill-after=5 10 \
            env LD_PRELOAD="$shim" "$@" </dev/null 2>&1 || code=$?
        printf '\nexit code %d\n' "$code"
    ) 2>/dev/null # of the shell, which would say when a program crashed
    case $code in
    124) how="still running after 10 s, ended by Ctrl-C" ;;
    137) how="${red}still running after 10 s, does not react to Ctrl-C, killed$plain" ;;
    *) how="exit code $code" ;;
    esac
    # The strike, and errors as gst-launch-1.0 prints them.
    sed -n -e 's/.*\(rehearse: \)/\1/p' -e '/^ERROR/,/^Execution ended/{/^Execution ended/!p}' -e '/^Got EOS/p' \
        "$demo/output" | indent
    echo "  $how, ${struck:+$(seconds $(($(clock) - struck))) s after the strike}"
}

what_is_left() {
    printf '  %s: ' "${1##*/}"
    "$target/release/codecwatch-demo" inspect "$1" "$decoder"
}

# One pipeline, two encoders.
rehearse_pipeline() {
    local fault=$1 encoder=$2 file=$3
    rehearse_run "$fault" "$file" gst-launch-1.0 filesrc location="$clip" ! matroskademux ! av1parse ! "$decoder" ! \
        ${encoder:+$encoder} ! matroskamux ! filesink location="$file"
    what_is_left "$file"
}

# The encoder of the stack itself: GStreamer has one since 1.24. Before, the nearest thing is the library's own program.
rehearse_plain() {
    local fault=$1 file=$2
    if has_element svtav1enc; then
        echo "${bold}A plain pipeline, with svtav1enc:$plain"
        rehearse_pipeline "$fault" svtav1enc "$file.mkv"
    else
        echo "${bold}This stack has no svtav1enc to compare with; SVT-AV1's own program, SvtAv1EncApp:$plain"
        # y4menc would spare the numbers, but before GStreamer 1.24 it writes padded pictures wrongly.
        [ -e "$demo/clip.yuv" ] || gst-launch-1.0 -q filesrc location="$clip" ! matroskademux ! av1parse ! \
            "$decoder" ! filesink location="$demo/clip.yuv"
        rehearse_run "$fault" "$file.ivf" \
            SvtAv1EncApp -i "$demo/clip.yuv" -w 1280 -h 720 --fps 25 --preset 10 -b "$file.ivf"
        printf '  %s: %s kB\n' "${file##*/}.ivf" $(($(stat -c %s "$file.ivf") / 1000))
    fi
}

run_demo() {
    need_rust
    need "${packages_to_build[@]}" "${packages_to_run[@]}"
    build_plugins release
    build_shim
    has_element svtav1enc || need svt-av1
    has_element svtav1watchenc ||
        die "the plugin does not load: GST_PLUGIN_PATH=$GST_PLUGIN_PATH gst-inspect-1.0 svtav1watchenc"
    pick_decoder
    clip=tests/media/bbb-720p25.mkv
    demo=$target/demo
    mkdir -p "$demo"

    step "Transcoding $(basename "$clip") with codecwatch-transcode"
    echo "codecwatch-transcode transcode $clip $demo/transcoded.mkv --compare" | indent
    "$target/release/codecwatch-transcode" transcode "$clip" "$demo/transcoded.mkv" --compare | indent
    what_is_left "$demo/transcoded.mkv"

    step "Rehearsing a wedge: at the end of the stream svt_av1_enc_get_packet never returns"
    echo "${bold}svtav1watchenc, with a budget of 2 s:$plain"
    rehearse_pipeline 'svt_av1_enc_get_packet:hang@flush' \
        'svtav1watchenc watchdog-timeout=2000000000 drain-timeout=2000000000' "$demo/wedged.mkv"
    rehearse_plain 'svt_av1_enc_get_packet:hang@flush' "$demo/wedged-plain"

    step "Rehearsing a failure: at the end of the stream svt_av1_enc_get_packet answers an error"
    echo "${bold}svtav1watchenc:$plain"
    rehearse_pipeline 'svt_av1_enc_get_packet:fail@flush' svtav1watchenc "$demo/failed.mkv"
    rehearse_plain 'svt_av1_enc_get_packet:fail@flush' "$demo/failed-plain"

    echo
    echo "The files are in $demo."
}
