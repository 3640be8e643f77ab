/* Bounds from data at a stated confidence: of an arrival rate, and of a backlog.
 *
 * A level of confidence 1 - e is shared by three statements: the arrival rate is below its bound,
 * the service rate is above its bound, the backlog stays below its bound if the rates do. Each may
 * fail with probability e / 3, so all hold together with probability 1 - e (union bound).
 *
 * Arrival rate. N arrivals in T seconds, variance c N of the count (c = 1: Poisson). The bound
 * solves (L - N)^2 = z^2 c L for the mean L (score interval; Wilson, J. Am. Stat. Assoc. 22, 1927):
 *
 *     rate+ = (N + c z^2 / 2 + z sqrt(c (N + c z^2 / 4))) / T
 *
 * Backlog. Q wait now, calls arrive at a rate of at most lambda+, the servers answer at least m =
 * r mu- calls a second while any call waits. Let X(t) be arrivals minus answers in t seconds. By
 * Reich's formula (Ann. Math. Stat. 29, 1958) what waits after L seconds is at most
 *
 *     max(Q + X(L), sup_s X(s)) <= Q + L (lambda+ - m)+ + sup_s (X(s) - s (lambda+ - m)+)
 *
 * The last term is the burst. The rates alone give no bound without it: a queue below capacity is
 * not empty. X has variance v = ca lambda+ + cs m a second (ca, cs: squared coefficients of
 * variation of the times between arrivals and of the service times). In the Brownian approximation
 * the burst exceeds b with probability at most
 *
 *     2 (1 - Phi(b / sqrt(v L)))      whatever the rates are (reflection principle)
 *     exp(-2 (m - lambda+) b / v)     if lambda+ < m (Kingman, Proc. R. Soc. A 323, 1971)
 *
 * and the smaller b of the two is taken. For M/M/c the second is no approximation but a bound:
 * 2 (m - l) / (m + l) <= ln(m / l), which is the decay of its queue.
 *
 *     backlog+ = Q + L (lambda+ - m)+ + b
 *
 * Assumed: rates that do not change within L beyond lambda+ and m; independent increments; L long
 * against the time between two arrivals. tests/unit/test_shield_backlog.c checks it in M/M/c and
 * G/G/c and prints how tight it is.
 */
#ifndef KARMA_SHIELD_BOUNDS_H
#define KARMA_SHIELD_BOUNDS_H

/* A level of confidence, prepared. */
struct bound_level {
    double z;        /* normal quantile of 1 - e/3 */
    double z_path;   /* normal quantile of 1 - e/6: both tails of the reflection principle */
    double log_path; /* -ln(e / 3) */
};

/* confidence: in (0, 1). */
void bound_level_init(struct bound_level *l, double confidence);

/* rate+, 1/s, for `rate` seen over `seconds` > 0; rate >= 0, scv >= 0. */
double bound_rate(double rate, double seconds, double scv, const struct bound_level *l);

/* What a backlog bound is about. */
struct bound_queue {
    double waiting;  /* Q, calls */
    double lag_s;    /* L > 0 */
    double arrivals; /* lambda+, 1/s */
    double capacity; /* m = r mu-, 1/s */
    double arrival_scv, service_scv;
};

/* b and backlog+, calls; not negative. */
double bound_burst(const struct bound_queue *q, const struct bound_level *l);
double bound_backlog(const struct bound_queue *q, const struct bound_level *l);

#endif
