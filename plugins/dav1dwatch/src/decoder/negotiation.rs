// SPDX-License-Identifier: MPL-2.0
//! Source caps, downstream's pool, and the buffer for a picture. All of it runs
//! on the output task: a slow downstream delays no other thread.

use std::sync::Arc;

use codecwatch_dav1d as dav1d;
use codecwatch_element::video_decoder::InputState;
use gst::prelude::*;
use gst::subclass::prelude::*;
use gst_video::prelude::*;
use gst_video::subclass::prelude::*;
use gst_video::{VideoInfo, VideoMeta};

use super::buffers;
use super::caps::{self, Description};
use super::imp::Dav1dWatchDec;
use super::picture_source::{self, Pool};
use crate::CAT;

/// The format that was negotiated last, and its input.
#[derive(Clone)]
pub(super) struct Latest {
    description: Description,
    /// The serial number of the input format.
    serial: Option<u64>,
    info: VideoInfo,
}

impl Dav1dWatchDec {
    /// The format for the picture of input `id`; negotiates with downstream if it is
    /// new or if downstream requests it.
    pub(super) fn negotiated(
        &self,
        id: u64,
        description: Description,
    ) -> Result<VideoInfo, gst::FlowError> {
        let element = self.obj();
        let pad = element.src_pad();
        let format = self.stream.format_of(id);
        let serial = format.as_ref().map(|format| format.serial);
        let latest = self.state().latest.clone();
        let reconfigure = pad.check_reconfigure();
        if let Some(latest) =
            latest.filter(|latest| latest.description == description && latest.serial == serial)
            && !reconfigure
        {
            return Ok(latest.info);
        }
        let negotiated = self.negotiate(&description, format.map(|format| format.input).as_ref());
        if negotiated.is_err() {
            pad.mark_reconfigure();
            if pad.pad_flags().contains(gst::PadFlags::FLUSHING) {
                return Err(gst::FlowError::Flushing);
            }
        }
        let info = negotiated?;
        self.state().latest = Some(Latest {
            description,
            serial,
            info: info.clone(),
        });
        Ok(info)
    }

    /// `input`: upstream's description of the stream.
    fn negotiate(
        &self,
        description: &Description,
        input: Option<&InputState>,
    ) -> Result<VideoInfo, gst::FlowError> {
        let element = self.obj();
        let shape = description.shape;
        let refused = |error| {
            gst::error!(CAT, imp = self, "no caps for {shape:?}: {error}");
            gst::FlowError::NotNegotiated
        };
        let format = caps::video_format(&shape).ok_or(gst::FlowError::NotNegotiated)?;
        let mut output = element.set_output_state(format, shape.width, shape.height, input)?;
        let upstream = input
            .and_then(|input| input.caps_owned())
            .unwrap_or_else(gst::Caps::new_empty);
        let info = description
            .info(output.info(), &upstream)
            .map_err(refused)?;
        let mut caps = info.to_caps().map_err(refused)?;
        description.add_hdr(caps.make_mut(), &upstream);
        gst::debug!(CAT, imp = self, "pictures are now {caps}");
        output.set_info(info.clone());
        output.set_caps(&caps);
        element.negotiate(output)?;
        Ok(info)
    }

    /// Finds out whether downstream supports any layout, and whether it has a pool
    /// that dav1d can decode into.
    pub(super) fn choose_pool(
        &self,
        query: &mut gst::query::Allocation,
    ) -> Result<(), gst::LoggableError> {
        let takes_video_meta = query.find_allocation_meta::<VideoMeta>().is_some();
        let pictures = {
            let mut state = self.state();
            state.takes_video_meta = takes_video_meta;
            state.pictures.clone()
        };
        pictures.set_pool(None);
        let info = query
            .get_owned()
            .0
            .and_then(|caps| VideoInfo::from_caps(&caps).ok());
        let (Some(info), true) = (info, takes_video_meta) else {
            return self.parent_decide_allocation(query);
        };
        let offered = query.allocation_params().next();
        let pools = query.allocation_pools().collect::<Vec<_>>();
        let chosen = pools.into_iter().find_map(|(pool, _, min, max)| {
            let pool = pool?;
            let (config, size) = buffers::configuration(&pool, &info, offered.clone(), max)?;
            pool.set_config(config).ok()?;
            Some((pool, size, min, max))
        });
        if let Some((pool, size, min, max)) = &chosen {
            gst::debug!(
                CAT,
                imp = self,
                "decoding into the buffers of {}",
                pool.name()
            );
            query.set_nth_allocation_pool(0, Some(pool), *size, *min, *max);
        }
        self.parent_decide_allocation(query)?;
        // The base class may have replaced it.
        let settled = query.allocation_pools().next().and_then(|first| first.0);
        pictures.set_pool(
            chosen
                .map(|(pool, ..)| pool)
                .filter(|pool| settled.as_ref() == Some(pool))
                .map(|pool| Pool {
                    pool,
                    format: info.format(),
                    width: info.width(),
                    height: info.height(),
                }),
        );
        Ok(())
    }

    /// The buffer that shows a picture: downstream's own, if dav1d no longer needs it;
    /// otherwise one that shares the picture's memory, or a copy if downstream supports
    /// one layout only.
    pub(super) fn buffer(
        &self,
        picture: Box<dav1d::Picture>,
        info: &VideoInfo,
    ) -> Result<gst::Buffer, gst::FlowError> {
        let takes_video_meta = self.state().takes_video_meta;
        let picture = match picture {
            picture if !takes_video_meta => picture,
            picture => match picture_source::take_back(picture) {
                Ok(buffer) => return Ok(buffer),
                Err(picture) => picture,
            },
        };
        let shown = if takes_video_meta || buffers::is_plain(&picture, info) {
            buffers::view(&Arc::from(picture), info)
        } else {
            gst::trace!(gst::CAT_PERFORMANCE, imp = self, "copying a picture");
            buffers::copy(&picture, info, self.obj().buffer_pool())
        };
        shown.map_err(|error| {
            gst::error!(CAT, imp = self, "no buffer for a picture: {error}");
            gst::FlowError::Error
        })
    }
}
