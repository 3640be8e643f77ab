/* The queueing twin's dynamics: a fluid network of processor-sharing pods.
 *
 * Time runs in steps of dt (0.5 s or a little less, a whole number of them in a decision period).
 * x is the mean number of calls in a pod that compute or wait to, x + s their variance. With mu =
 * usable x CPU limit / demand and p0 the probability that a pod is empty,
 *
 *     dx/dt = lambda / pods - out,      out = mu (1 - p0)
 *     ds/dt = 2 mu (1 - (1 + x) p0)                   p0 = (1 + s / x)^(-x^2 / s)
 *
 * the equations of mean and variance of M/M/1, closed by a negative binomial number of calls
 * (M. H. Rothkopf, S. S. Oren, "A closure approximation for the nonstationary M/M/s queue",
 * Management Science 1979). In a steady state s = x^2, so 1 - p0 = x / (1 + x), exact for M/G/1
 * with processor sharing, whose mean number depends on the mean demand alone; under overload x
 * grows at lambda - mu. While a queue grows, its calls vary less than in a steady state: with p0
 * equal to 1 / (1 + x) at all times, x would overshoot by up to 6 %. For `servers` c > 1 the
 * equations hold for y instead of x, the number of calls at one server that is as busy:
 * y = u / (1 - u), where u solves x = c u + u^k / (1 - u), k = sqrt(2 (c + 1)) (H. Sakasegawa
 * 1977).
 *
 * Calls that have computed wait for the synchronous callees of their service and keep their slot:
 * w of them, dw/dt = out - w / D, D the mean response of the callees. What waits leaves
 * room = slots - w / pods of a pod's slots to calls that compute; with little room a pod computes
 * less, as one with min(x, 4 room) calls, so a slow service fills its callers. A pod holds room +
 * queue calls, and none longer than the clients' time-out; more is refused. Departures of a caller
 * are the arrivals of its callees, at the fitted visit ratios. Nothing is lost: arrivals =
 * departures + refused + change of x.
 *
 * Response times are moments over the call graph (sojourn.h): at a pod the mean is x / (mu u) and
 * the variance of what is shared
 *
 *     tail (1 + r 2 u / (2 - u)) mean^2,      u = 1 - p0,      r = (x + s) / (x + x^2)
 *
 * in a steady state (r = 1) that of M/M/1 processor sharing (E. G. Coffman, R. R. Muntz, H.
 * Trotter 1970) times a fitted factor; where the number of calls hardly varies (r near 0, overload)
 * a response varies as its demand does. The part r of the variance has a heavy tail: short and long
 * waits are mixed. Waiting for a slot varies little. Answered in time is the probability that the
 * sum over the path is below the limit.
 *
 * The life of pods is the simulator's (core/cluster/replicas.c): room on the node, a normal
 * start-up delay, removal of the youngest, draining. Node CPU is shared when more is asked for.
 * There are no crashes: like any twin it is told the offered load alone.
 *
 * Random: start-up delays; the counts of arrivals and of CPU that are measured; and a diffusion of
 * x, `noise` times that of a Poisson process. In TRAIN episodes the parameters are drawn from their
 * intervals (fluid_cfg). Every draw is a function of the episode's identity and the step, so
 * environments may be grouped and moved in any way.
 */
#ifndef KARMA_TWIN_FLUID_H
#define KARMA_TWIN_FLUID_H

#include "core/plant/plant.h"
#include "core/plant/topology.h"
#include "core/twin/queueing.h"
#include "core/twin/sojourn.h"

#include <stdbool.h>
#include <stdint.h>

/* How random it is. draw, demand_sd and load_sd act in TRAIN episodes only (domain randomisation).
 * */
struct fluid_cfg {
    double noise;     /* diffusion of x: 0 = none, 1 = that of a Poisson process */
    double draw;      /* parameters lie within draw x their intervals; 0 = at their values */
    double demand_sd; /* of log demand, one draw for a service and episode */
    double load_sd;   /* of the logarithm of a factor on the load, one draw a decision period */
    bool still;       /* counts are their means; with noise 0 only start-up delays are random */
};

enum { FLUID_CLOSURE = 128 };

/* What all environments share; immutable. */
struct fluid_net {
    const struct topology *topology;
    const struct plant_cfg *plant;
    const struct queueing *queueing;
    struct fluid_cfg cfg;
    double dt;
    int n_steps;    /* of a decision period */
    int *first_pod; /* (n_services + 1) slots of a service's pods: twice max_replicas of it */
    double *calls;  /* (edges of the topology) calls of the callee for each one that was computed */
    double *enters; /* (n_services) calls for each request that clients send */
    double closure[FLUID_CLOSURE + 2]; /* u at x / (1 + x) = i / FLUID_CLOSURE */
    int n_ring;                        /* scrapes that are remembered */
};

enum fluid_pod_state { FLUID_FREE, FLUID_PENDING, FLUID_STARTING, FLUID_READY, FLUID_DRAINING };

struct fluid_pod {
    enum fluid_pod_state state;
    uint32_t serial; /* of its service, in the order of creation */
    double created_s, started_s;
    double changed_s; /* it became ready */
    double next_s;    /* starting: becomes ready; draining: out of grace */
    double x, excess; /* calls: mean; variance beyond it (of y, if servers > 1) */
    struct fluid_crowd {
        double y;      /* calls at one server that is as busy */
        double vary;   /* their variance / that in a steady state, at most 1 */
        double y_by_x; /* derivative */
        double p0;     /* it is empty */
        double u_by_x; /* of u = 1 - p0 */
        double p0_by_excess;
    } now;
};

static inline bool fluid_serves(const struct fluid_pod *p)
{
    return p->state == FLUID_READY || p->state == FLUID_DRAINING;
}

/* What a monitoring system reads off a service: counters, then gauges. */
struct fluid_reading {
    double received, succeeded, errors, latency_s, sent, used_s, ready_s;
    double deployed, ready, queue, age_s, held;
};

struct fluid_service {
    int desired;
    uint32_t n_created;
    int n_ready;                     /* pods, in the running step */
    int n_serving;                   /* those and the draining ones */
    double demand_s, rate;           /* of this episode: of a call; calls/s of a pod, mu */
    double in, out;                  /* calls/s of the last step */
    double waiting;                  /* calls that wait for callees */
    double refused;                  /* share of what came in, last step */
    double failing;                  /* probability that a call fails, callees included */
    struct sojourn own, down, whole; /* time at a pod; response of its callees; of a call */
    double up_s, succeeded, errors;  /* of the period: time with a ready pod, calls */
    struct fluid_reading reading;
};

/* Of the front: what clients sent and got. */
struct fluid_front {
    double received, answered, resolved, latency_s;
};

struct fluid {
    const struct fluid_net *net;
    struct episode_id id;
    struct rng_key key;
    double now;    /* s; 0 = the first decision */
    uint32_t step; /* of all, counted from the warm-up on: a coordinate of draws */
    double share;  /* of the CPU that pods could use and the node has, <= 1 */
    double lag_s, start_s, start_sd_s;
    double inflight; /* requests */
    double load_factor;
    struct fluid_pod *pods;         /* (first_pod[n_services]) */
    struct fluid_service *services; /* (n_services) */
    struct fluid_front front;       /* counters */
    struct fluid_front *ring_front; /* (n_ring) */
    struct fluid_reading *ring;     /* (n_ring, n_services) */
    int64_t n_scrapes;
    double scrape_s;          /* of the next one */
    struct plant_truth truth; /* of the running or the last period */
    float *state;             /* (state_size) measured */
};

/* Both by reference. */
enum err fluid_net_init(struct fluid_net *net, struct arena *arena, const struct queueing *queueing,
                        const struct topology *topology, const struct plant_cfg *plant,
                        const struct fluid_cfg *cfg) WARN_UNUSED;

enum err fluid_init(struct fluid *f, struct arena *arena, const struct fluid_net *net) WARN_UNUSED;

/* `to` (of the same net) becomes what `from` is, but draws as environment `env` from now on. */
void fluid_copy(struct fluid *to, const struct fluid *from, uint32_t env);

/* Warms up at that load and stands at the first decision. */
void fluid_begin(struct fluid *f, const struct episode_id *id, double load);

/* Load of one step: requests/s, and the share of it that is legitimate. */
struct fluid_load {
    double rps, legit;
};

/* One decision period. delta (n_services) is clipped to the bounds; load (net->n_steps). */
void fluid_period(struct fluid *f, const int32_t *delta, const struct fluid_load *load);

/* ---- parts, shared by its files and tests ---- */

/* Utilisation at which a pod holds x calls, and the derivative. */
double fluid_utilisation(const struct fluid_net *net, double x, double *slope);

/* Calls in a pod that is busy for a share u < 1 of the time. */
double fluid_calls_at(double u, double servers);

/* A draw that is nearly standard normal: the sum of four 16-bit numbers, from half a block. */
static inline double fluid_noise(uint32_t a, uint32_t b)
{
    const uint32_t sum = (a & 0xffffU) + (a >> 16) + (b & 0xffffU) + (b >> 16);
    return ((double)sum * 0x1p-16 - 2.0) * 1.7320508075688772;
}
enum fluid_draw {
    FLUID_DRAW_COUNT = 200,
    FLUID_DRAW_LOAD,
    FLUID_DRAW_PARAM,
    FLUID_DRAW_START,
    FLUID_DRAW_CPU = 1 << 16,
    FLUID_DRAW_X = 1 << 20
};
static inline struct rng_block fluid_block(const struct fluid *f, uint32_t what, uint32_t which)
{
    return rng_philox(f->key, what, which, f->id.episode, f->id.env);
}

/* fluid_pods.c: pods come and go at the present moment. */
void fluid_pods_begin(struct fluid *f);
void fluid_scale(struct fluid *f, int service, int desired);
/* Of the service's pods, those that start now included, `ready` are ready at at_s and the others
 * start later, as far as there are so many: their order stays, and so does a delay that fits. */
void fluid_meet(struct fluid *f, int service, int ready, double at_s);
void fluid_pods_step(struct fluid *f);

/* fluid_scrape.c: takes the scrapes that are due; measures the state. */
void fluid_scrape(struct fluid *f);
void fluid_measure(struct fluid *f);

#endif
