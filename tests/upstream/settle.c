// SPDX-License-Identifier: MPL-2.0
// A preload for programs that expect the output of an element as soon as a push into it
// returns: after each push into an element that is supervised, waits until the element
// has taken everything and downstream everything that came out.
#define _GNU_SOURCE
#include <dlfcn.h>
#include <gst/gst.h>

// Milliseconds after which the push returns in any case.
#define BOUND 3000
// Looks at which it has to be at rest: between two calls it may seem so.
#define LOOKS 3

static gboolean has(const GstStructure *stats, const gchar *count) {
  guint waiting = 0;
  gst_structure_get_uint(stats, count, &waiting);
  return waiting > 0;
}

static GstStructure *stats_of(GstElement *element) {
  GstStructure *stats = NULL;
  g_object_get(element, "stats", &stats, NULL);
  return stats;
}

static gboolean is_at_rest(GstElement *element, GstPad *sink) {
  GstStructure *stats = stats_of(element);
  gboolean queued = has(stats, "queued");
  gst_structure_free(stats);
  if (queued)
    return FALSE;
  // Answered by the worker, when it has done what it has taken.
  GstCaps *caps = gst_pad_query_caps(sink, NULL);
  if (caps)
    gst_caps_unref(caps);
  stats = stats_of(element);
  const gchar *phase = gst_structure_get_string(stats, "phase");
  const gchar *verdict = gst_structure_get_string(stats, "verdict");
  gboolean opens = !g_strcmp0(phase, "opening") || !g_strcmp0(phase, "waiting");
  const gchar *call = gst_structure_get_string(stats, "call");
  gboolean rests = !opens && !(call && *call) && !has(stats, "queued") && !has(stats, "waiting-for-downstream") &&
                   g_strcmp0(verdict, "backpressured");
  gst_structure_free(stats);
  return rests;
}

// The pad of an element behind the ghost pads of bins.
static GstPad *behind_ghosts(GstPad *pad) {
  while (pad && GST_IS_GHOST_PAD(pad)) {
    GstPad *target = gst_ghost_pad_get_target(GST_GHOST_PAD(pad));
    gst_object_unref(pad);
    pad = target;
  }
  return pad;
}

static void settle(GstPad *pad) {
  GstPad *sink = behind_ghosts(gst_pad_get_peer(pad));
  GstElement *element = sink ? gst_pad_get_parent_element(sink) : NULL;
  GType ours = g_type_from_name("GstCodecWatch");
  if (element && ours && G_TYPE_CHECK_INSTANCE_TYPE(element, ours)) {
    gint64 until = g_get_monotonic_time() + BOUND * 1000;
    for (int same = 0; same < LOOKS && g_get_monotonic_time() < until; g_usleep(300))
      same = is_at_rest(element, sink) ? same + 1 : 0;
  }
  if (element)
    gst_object_unref(element);
  if (sink)
    gst_object_unref(sink);
}

#define REAL(name) \
  static typeof(&name) real; \
  if (!real) \
    real = dlsym(RTLD_NEXT, #name)

GstFlowReturn gst_pad_push(GstPad *pad, GstBuffer *buffer) {
  REAL(gst_pad_push);
  GstFlowReturn flow = real(pad, buffer);
  settle(pad);
  return flow;
}

GstFlowReturn gst_pad_push_list(GstPad *pad, GstBufferList *list) {
  REAL(gst_pad_push_list);
  GstFlowReturn flow = real(pad, list);
  settle(pad);
  return flow;
}

gboolean gst_pad_push_event(GstPad *pad, GstEvent *event) {
  REAL(gst_pad_push_event);
  gboolean serialized = GST_EVENT_IS_SERIALIZED(event);
  gboolean taken = real(pad, event);
  if (serialized)
    settle(pad);
  return taken;
}
