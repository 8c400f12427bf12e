// SPDX-License-Identifier: MPL-2.0
//! The methods of GObject and GstElement, the same whatever the base class is.

/// Implements GObject and GstElement for a [`Supervised`](crate::Supervised) element.
/// `constructed` installs what its base class needs.
#[doc(hidden)]
#[macro_export]
macro_rules! element_methods {
    ($imp:ty, $constructed:path) => {
        impl $crate::gst::subclass::prelude::ObjectImpl for $imp {
            fn properties() -> &'static [$crate::gst::glib::ParamSpec] {
                static SPECS: std::sync::LazyLock<Vec<$crate::gst::glib::ParamSpec>> =
                    std::sync::LazyLock::new($crate::properties::specs::<$imp>);
                &SPECS
            }

            fn set_property(
                &self,
                _id: usize,
                value: &$crate::gst::glib::Value,
                spec: &$crate::gst::glib::ParamSpec,
            ) {
                $crate::properties::set(self, value, spec);
            }

            fn property(
                &self,
                _id: usize,
                spec: &$crate::gst::glib::ParamSpec,
            ) -> $crate::gst::glib::Value {
                $crate::properties::get(self, spec)
            }

            fn constructed(&self) {
                $crate::gst::subclass::prelude::ObjectImplExt::parent_constructed(self);
                $constructed(self);
            }
        }

        impl $crate::gst::subclass::prelude::GstObjectImpl for $imp {}

        impl $crate::gst::subclass::prelude::ElementImpl for $imp {
            fn metadata() -> Option<&'static $crate::gst::subclass::ElementMetadata> {
                static METADATA: std::sync::LazyLock<$crate::gst::subclass::ElementMetadata> =
                    std::sync::LazyLock::new(<$imp as $crate::Supervised>::describe);
                Some(&METADATA)
            }

            fn pad_templates() -> &'static [$crate::gst::PadTemplate] {
                static TEMPLATES: std::sync::LazyLock<Vec<$crate::gst::PadTemplate>> =
                    std::sync::LazyLock::new(|| {
                        <$imp as $crate::Supervised>::pad_caps().templates()
                    });
                &TEMPLATES
            }

            fn change_state(
                &self,
                transition: $crate::gst::StateChange,
            ) -> Result<$crate::gst::StateChangeSuccess, $crate::gst::StateChangeError> {
                $crate::Supervised::supervision(self).before_state_change(transition);
                $crate::gst::subclass::prelude::ElementImplExt::parent_change_state(
                    self, transition,
                )
            }
        }
    };
}
