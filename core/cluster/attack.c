/* What reaches into requests from outside, other than by sending more of them.
 *
 * Slow-loris: connections that arrive at an entry, wait in its queue like a call, and when they get
 * a worker slot hold it for hold_s without using CPU. They are counted neither as requests nor as
 * calls: they are not received, answered or failed, they only occupy slots and queues. They arrive
 * and end on the ticks of disturbances.c, at rates held within a tick; what connection n draws is a
 * function of (episode, n). A connection that finds the queue full goes away. Those of a learned
 * attacker come in the same stream, at the entry it aims at, from its decision on.
 *
 * Losses: a call on a lossy link does not arrive, and its caller is told at once, as by a reset
 * connection. In the books it counts like a call that was refused, at the callee.
 */
#include "core/cluster/internal.h"

/* ---- slow-loris ---- */

/* The attacker's key; second coordinate 0 are his requests, see arrivals.c. */
static struct rng_block loris_draw(const struct sim *s, uint32_t n)
{
    struct rng_key key = rng_key(s->id.seed, RNG_ARRIVAL_ATTACK, s->id.split);
    return rng_philox(key, n, 1, s->id.episode, s->id.env);
}

void sim_loris_start(struct sim *s)
{
    s->n_held_conns = 0;
    s->n_loris_arrived = 0;
    s->loris_rate = s->loris_hold_s = 0.0;
    s->loris_until_s = s->now;
    s->loris_left = rng_exponential(loris_draw(s, 0).v[0]);
}

/* A connection of the schedule goes to any entry, one of the learned attacker where it aims. The
 * remainder of the word is nearly independent of its size. */
static void loris_open(struct sim *s, struct rng_block draw)
{
    const struct topology *t = s->shared->topology;
    const struct attacker *a = &s->attacker;
    const uint32_t word = draw.v[2], n = (uint32_t)t->n_entries;
    if (!(a->conn_total > 0.0)) {
        (void)sim_conn_open(s, t->entries[rng_below(word, n)], s->loris_hold_s, draw.v[1]);
        return;
    }
    const int e = attacker_aimed(a->conn_rps, a->n_entries, a->conn_total, s->loris_rate, word);
    const int entry = t->entries[e >= 0 ? (uint32_t)e : word % n];
    (void)sim_conn_open(s, entry, e >= 0 ? ATTACK_HOLD_S : s->loris_hold_s, draw.v[1]);
}

/* Connections arrive where the integral of the rate passes unit exponentials. */
static void loris_arrive(struct sim *s, double passed)
{
    while (s->loris_left <= passed) {
        loris_open(s, loris_draw(s, s->n_loris_arrived));
        passed -= s->loris_left;
        s->n_loris_arrived++;
        s->loris_left = rng_exponential(loris_draw(s, s->n_loris_arrived).v[0]);
    }
    s->loris_left -= passed;
}

/* Times of ticks carry rounding errors: what is due within 1 ns is due. */
static void close_expired(struct sim *s)
{
    double due = s->now + 1e-9;
    for (int32_t i = 0; s->n_held_conns > 0 && i < s->n_touched; i++) {
        if (s->calls[i].state == CALL_HOLDING && s->calls[i].deadline_s <= due) {
            sim_conn_close(s, i);
        }
    }
}

/* The rates change now: those before hold up to now. The part of the schedule was added first, so
 * without a learned attacker the rate is that of the schedule, to the bit. */
static void loris_hold_rate(struct sim *s)
{
    s->loris_rate = schedule_loris(s->schedule, s->now, &s->loris_hold_s) + s->attacker.conn_total;
}

static void loris_catch_up(struct sim *s)
{
    const double dt = s->now - s->loris_until_s;
    s->loris_until_s = s->now;
    close_expired(s);
    loris_arrive(s, s->loris_rate * dt);
}

void sim_loris_advance(struct sim *s)
{
    loris_catch_up(s);
    loris_hold_rate(s);
}

/* The learned attacker's decision. What has come up to now came at its former rates, to the entries
 * that these name. */
void sim_loris_attack(struct sim *s, const struct attack_action *attack, double room_rps)
{
    struct attacker *a = &s->attacker;
    if (a->conn_total > 0.0 || (attack != NULL && attack->conn_change > 0)) {
        loris_catch_up(s);
    }
    if (attacker_connections(a, attack, s->shared->plant, room_rps, s->shared->topology)) {
        loris_hold_rate(s);
        sim_disturbances_wake(s);
    }
}

/* ---- losses ---- */

bool sim_call_lost(const struct sim *s, int caller, int callee, uint32_t request, uint32_t visit)
{
    double p = schedule_loss(s->schedule, caller, callee, s->now);
    struct rng_block draw = rng_philox(s->key_fault, visit, request, s->id.episode, s->id.env);
    return (double)draw.v[0] * 0x1p-32 < p;
}
