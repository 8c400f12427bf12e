// SPDX-License-Identifier: MPL-2.0
//! Which values of events their readers bear: elements multiply, divide and negotiate by
//! them without looking.

/// Whether the values of an event are such that its readers bear them.
pub(super) fn is_sensible(event: &gst::EventRef) -> bool {
    use gst::EventView as V;
    // A time that is none, where the readers count on one.
    let has_time = |field: &str| {
        let time = event.structure().and_then(|it| it.get::<u64>(field).ok());
        time.is_some_and(|time| gst::ClockTime::try_from(time).is_ok())
    };
    let is_rate = |rate: f64| rate.is_finite() && rate != 0.0;
    match event.view() {
        V::Caps(caps) => {
            let format = caps.caps();
            is_one_format(format) && format.structure(0).is_some_and(has_sensible_measures)
        }
        V::Segment(segment) => {
            let segment = segment.segment();
            let known = !matches!(
                segment.format(),
                gst::Format::Undefined | gst::Format::__Unknown(_)
            );
            known && is_rate(segment.rate()) && is_rate(segment.applied_rate())
        }
        V::Gap(_) => has_time("timestamp"),
        V::Latency(_) => has_time("latency"),
        V::InstantRateSyncTime(_) => has_time("running-time") && has_time("upstream-running-time"),
        V::InstantRateChange(change) => {
            let (rate, _) = change.get();
            is_rate(rate)
        }
        _ => true,
    }
}

/// Types of values that leave a choice.
const CHOICES: [&str; 5] = [
    "GstValueList",
    "GstIntRange",
    "GstInt64Range",
    "GstDoubleRange",
    "GstFractionRange",
];

/// Whether caps are those of a stream: one format, which leaves no choice. (GStreamer does
/// not call them fixed if they have flags that were read from a text.)
pub(super) fn is_one_format(caps: &gst::CapsRef) -> bool {
    let leaves_none = |format: &gst::StructureRef| {
        let mut values = format.iter().map(|(_, value)| value.type_());
        values.all(|type_| !CHOICES.contains(&type_.name()))
    };
    !caps.is_any() && caps.size() == 1 && caps.structure(0).is_some_and(leaves_none)
}

/// Fields of a format by which elements multiply and divide without looking.
const AMOUNTS: [&str; 4] = ["width", "height", "rate", "channels"];
const RATIOS: [&str; 1] = ["pixel-aspect-ratio"];
const RATES: [&str; 2] = ["framerate", "max-framerate"];

/// Whether a format has no measure of nothing or less (a rate of 0 is one that varies), and
/// raw formats have theirs.
fn has_sensible_measures(format: &gst::StructureRef) -> bool {
    let amount = |field: &str| format.get::<i32>(field).ok();
    let fraction = |field: &str| format.get::<gst::Fraction>(field).ok();
    let needs: &[&str] = match format.name().as_str() {
        "video/x-raw" => &AMOUNTS[..2],
        "audio/x-raw" => &AMOUNTS[2..],
        _ => &[],
    };
    needs.iter().all(|field| amount(field).is_some())
        && AMOUNTS
            .iter()
            .filter_map(|field| amount(field))
            .all(|it| it > 0)
        && RATIOS
            .iter()
            .filter_map(|field| fraction(field))
            .all(|it| it.numer() > 0)
        && RATES
            .iter()
            .filter_map(|field| fraction(field))
            .all(|it| it.numer() >= 0)
}

#[cfg(test)]
mod tests {
    use gst::glib::translate::IntoGlib;

    use super::super::events::PackedEvent;
    use super::*;

    #[test]
    fn values_that_no_reader_bears_are_noticed() {
        gst::init().unwrap();
        for format in [
            "video/x-raw, width=(int)16, height=(int)8, framerate=(fraction)0/1",
            "video/x-av1, pixel-aspect-ratio=(fraction)16/11",
            "audio/x-raw, rate=(int)8000, channels=(int)2",
            "text/x-raw",
        ] {
            let caps = gst::event::Caps::new(&format.parse().unwrap());
            assert!(is_sensible(&caps), "{format}");
        }
        for format in [
            "video/x-raw",
            "video/x-raw, width=(int)16, height=(int)0",
            "video/x-raw, width=(int)16, height=(int)8, format=(string){ I420, NV12 }",
            "video/x-av1, width=(int)[ 1, 16 ]",
            "video/x-av1, framerate=(fraction)[ 0/1, 30/1 ]",
            "video/x-raw, width=(int)-1, height=(int)8",
            "video/x-av1, width=(int)0",
            "video/x-av1, pixel-aspect-ratio=(fraction)0/1",
            "video/x-av1, framerate=(fraction)-1/1",
            "video/x-av1, max-framerate=(fraction)-1/1",
            "audio/x-raw, rate=(int)8000",
            "audio/x-raw, rate=(int)0, channels=(int)2",
            "audio/mpeg, channels=(int)0",
        ] {
            // GStreamer makes no event of caps that leave a choice.
            let text = gst::Structure::builder("caps")
                .field("caps", format)
                .build();
            let text = text.to_string().replacen("(string)", "(GstCaps)", 1);
            let kind = gst::EventType::Caps.into_glib();
            let packed = PackedEvent::raw(kind, 1, 0, Some(text));
            assert!(packed.unpack().is_none(), "{format}");
        }
        for (kind, text) in [
            (gst::EventType::Caps, "GstEventCaps, caps=(GstCaps)ANY"),
            (
                gst::EventType::Gap,
                "GstEventGap, timestamp=(guint64)18446744073709551615, duration=(guint64)1",
            ),
            (
                gst::EventType::Latency,
                "GstEventLatency, latency=(guint64)18446744073709551615",
            ),
        ] {
            let packed = PackedEvent::raw(kind.into_glib(), 1, 0, Some(text.to_owned()));
            assert!(packed.unpack().is_none(), "{text}");
        }
    }
}
