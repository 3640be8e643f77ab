/* Maximum of two times, and P(T <= t). See sojourn.h. */
#include "core/twin/sojourn.h"

#include "core/base/fmath.h"

#include <math.h>

/* With d_a <= d_b and gap = d_b - d_a: A's exponential part ends within the gap with probability
 * 1 - q, q = exp(-gap / s_a), and then the last is B. Else both parts run from d_b on, and the
 * maximum of two exponential times of means s_a, s_b has
 *
 *     E = s_a + s_b - h,  E of the square = 2 (s_a^2 + s_b^2 - h^2),  h = s_a s_b / (s_a + s_b) */
static struct sojourn last_of(struct sojourn a, struct sojourn b, double sa, double sb)
{
    double da = a.mean - sa, db = b.mean - sb;
    if (da > db) {
        const double s = sa, d = da;
        sa = sb, da = db;
        sb = s, db = d;
    }
    const double q = sa > 0.0 ? fm_exp(-(db - da) / sa) : 0.0;
    const double h = sa + sb > 0.0 ? sa * sb / (sa + sb) : 0.0;
    const double m1 = (1.0 - q) * sb + q * (sa + sb - h);
    const double m2 = (1.0 - q) * 2.0 * sb * sb + q * 2.0 * (sa * sa + sb * sb - h * h);
    const double var = m2 - m1 * m1 > 0.0 ? m2 - m1 * m1 : 0.0, vars = a.var + b.var;
    return (struct sojourn){db + m1, var, vars > 0.0 ? var * (a.heavy + b.heavy) / vars : 0.0};
}

struct sojourn sojourn_last(struct sojourn a, struct sojourn b)
{
    const double sa = sqrt(a.var), sb = sqrt(b.var);
    struct sojourn last = last_of(a, b, sa, sb);
    if (sa > a.mean || sb > b.mean) {
        last.mean = last_of(a, b, sa > a.mean ? sqrt(a.mean * sa) : sa,
                            sb > b.mean ? sqrt(b.mean * sb) : sb)
                        .mean;
    }
    return last;
}

/* Formula 26.2.17 of M. Abramowitz and I. A. Stegun, 1964. */
double sojourn_normal(double z)
{
    const double a = z < 0.0 ? -z : z, t = 1.0 / (1.0 + 0.2316419 * a);
    const double p =
        t * (0.319381530 +
             t * (-0.356563782 + t * (1.781477937 + t * (-1.821255978 + t * 1.330274429))));
    const double above = 0.3989422804014327 * fm_exp(-0.5 * a * a) * p;
    return z < 0.0 ? above : 1.0 - above;
}

/* Of a gamma law of shape k and scale v / m: t f(t) is m times the density of shape k + 1. */
double sojourn_mean_within(struct sojourn a, double t)
{
    if (a.mean + 4.0 * sqrt(a.var) <= t) {
        return a.mean;
    }
    const double scale = a.mean > 0.0 ? a.var / a.mean : 0.0;
    const struct sojourn above = {a.mean + scale, a.var + scale * scale,
                                  a.heavy * (1.0 + scale * scale / a.var)};
    const double p = sojourn_within(a, t);
    const double mean = p > 1e-9 ? a.mean * sojourn_within(above, t) / p : t;
    return mean < t ? mean : t;
}

double sojourn_within(struct sojourn a, double t)
{
    if (!(a.mean > 0.0)) {
        return 1.0;
    }
    if (!(a.var > 1e-12 * a.mean * a.mean)) {
        return a.mean <= t ? 1.0 : 0.0;
    }
    const double cv2 = a.var / (a.mean * a.mean), ninth = cv2 / 9.0, log_t = fm_log(t / a.mean);
    const double gamma = (fm_exp(log_t / 3.0) - (1.0 - ninth)) / sqrt(ninth);
    if (!(a.heavy > 0.0)) {
        return sojourn_normal(gamma);
    }
    const double log_var = fm_log(1.0 + cv2);
    const double log_normal = (log_t + 0.5 * log_var) / sqrt(log_var);
    return sojourn_normal(gamma + a.heavy / a.var * (log_normal - gamma));
}
