/* The event loop: whatever is due first, until the end of the period.
 *
 * Pods have an agenda of their own, because their events are by far the most frequent; the five
 * other sources have one due time each. At equal times pods come first, then the sources in the
 * order of other_event(). The order is total and depends on times and numbers only, so a simulation
 * has the same events in the same order wherever it runs. */
#include "core/cluster/internal.h"

static double stream_due(const struct sim_stream *a)
{
    return a->next_s <= a->rate_until_s ? a->next_s : a->rate_until_s;
}

static void stream_event(struct sim *s, struct sim_stream *a)
{
    if (a->next_s <= a->rate_until_s) {
        sim_request(s, a);
        sim_stream_advance(s, a);
    } else {
        sim_stream_set_rate(s, a, a->rate_until_s);
        if (a->silent) {
            sim_users_follow(s);
        }
    }
}

/* What is due at s->now and is not a pod's. Times are compared for equality on purpose: s->now is a
 * copy of the least of them, not a computed value. If none of the first four is equal, it is the
 * scrape. */
static void other_event(struct sim *s)
{
    if (stream_due(&s->legit) == s->now) {
        stream_event(s, &s->legit);
    } else if (stream_due(&s->attack) == s->now) {
        stream_event(s, &s->attack);
    } else if (s->timers.first_s == s->now) {
        sim_client_transition(s);
    } else if (s->tick_s == s->now) {
        sim_disturbances_tick(s);
    } else {
        sim_scrape_take(s);
    }
}

/* Of the sources that only their own events move. */
static double clocks_due(const struct sim *s)
{
    double streams = fm_min(stream_due(&s->legit), stream_due(&s->attack));
    return fm_min(streams, fm_min(s->tick_s, s->scrape_s));
}

/* What an event leaves to do: schedule pods on the node, allocate its CPU. */
static void follow_up(struct sim *s)
{
    if (s->schedule_pods_due) {
        sim_schedule_pods(s);
    }
    if (s->cpu_alloc_due) {
        sim_alloc_cpu(s);
    }
}

/* Every event moves the due time of its source on or sets it to SIM_NEVER (a timer that is due at
 * once belongs to one of finitely many attempts), so the loop passes `until`. An event may leave
 * pods to be scheduled or CPU to be allocated; both are done before the next event, at the same
 * time, because they change what is due next. */
void sim_run(struct sim *s, double until)
{
    if (s->cpu_alloc_due) { /* by the decision before it */
        sim_alloc_cpu(s);
    }
    double clocks = clocks_due(s);
    for (;;) {
        double at, others = fm_min(clocks, s->timers.first_s);
        int slot = agenda_first(&s->agenda, &at);
        if (fm_min(at, others) > until) {
            break;
        }
        if (at <= others) {
            s->now = at;
            agenda_take(&s->agenda, slot);
            if (s->pods[slot].next_transition_s <= at) {
                sim_pod_transition(s, slot);
            } else {
                sim_computed(s, slot);
            }
        } else {
            s->now = others;
            other_event(s);
            clocks = clocks_due(s);
        }
        if (s->schedule_pods_due | s->cpu_alloc_due) {
            follow_up(s);
        }
    }
    s->now = until;
}
