// SPDX-License-Identifier: MPL-2.0
//! The type through which plugin files publish their elements. An instance that a file
//! has entered stands for the file; any other is there for one emission.

use gst::glib;

glib::wrapper! {
    /// See the module's description.
    pub(crate) struct PublishedElements(ObjectSubclass<imp::PublishedElements>);
}

mod imp {
    use std::sync::atomic::{AtomicU64, Ordering};
    use std::sync::{LazyLock, Mutex, MutexGuard, PoisonError};

    use gst::glib;
    use gst::glib::subclass::Signal;
    use gst::prelude::*;
    use gst::subclass::prelude::*;

    use super::super::{ENTER, NEXT_ELEMENT, READ, READ_ALL, TYPE_NAME};

    #[derive(Debug, Default)]
    pub(crate) struct PublishedElements;

    static FILES: Mutex<Vec<super::PublishedElements>> = Mutex::new(Vec::new());
    static ELEMENTS: AtomicU64 = AtomicU64::new(0);

    fn files() -> MutexGuard<'static, Vec<super::PublishedElements>> {
        FILES.lock().unwrap_or_else(PoisonError::into_inner)
    }

    #[glib::object_subclass]
    impl ObjectSubclass for PublishedElements {
        const NAME: &'static str = TYPE_NAME;
        type Type = super::PublishedElements;
    }

    impl ObjectImpl for PublishedElements {
        fn signals() -> &'static [Signal] {
            static SIGNALS: LazyLock<[Signal; 4]> = LazyLock::new(|| {
                [
                    Signal::builder(ENTER)
                        .run_last()
                        .action()
                        .no_hooks()
                        .class_handler(|arguments| {
                            let file = arguments.first().and_then(|file| file.get().ok());
                            files().extend(file);
                            None
                        })
                        .build(),
                    Signal::builder(READ)
                        .run_last()
                        .no_hooks()
                        .return_type::<Option<gst::Structure>>()
                        .build(),
                    Signal::builder(READ_ALL)
                        .run_last()
                        .action()
                        .no_hooks()
                        .return_type::<gst::List>()
                        .class_handler(|_| {
                            // Not under the lock: a file's answer takes locks of its own.
                            let files = files().clone();
                            let answers = files.iter().filter_map(|file| {
                                file.emit_by_name::<Option<gst::Structure>>(READ, &[])
                            });
                            let answers = answers.map(|answer| answer.to_send_value());
                            Some(answers.collect::<gst::List>().to_value())
                        })
                        .build(),
                    Signal::builder(NEXT_ELEMENT)
                        .run_last()
                        .action()
                        .no_hooks()
                        .return_type::<u64>()
                        .class_handler(|_| {
                            let number = ELEMENTS.fetch_add(1, Ordering::Relaxed) + 1;
                            Some(number.to_value())
                        })
                        .build(),
                ]
            });
            &*SIGNALS
        }
    }
}
