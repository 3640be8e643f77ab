/* The list of methods of training: one line each. To add one, write core/methods/NAME.c, which
 * defines `const struct method_kind method_NAME`, and add a line here (and the file to the
 * Makefile's list).
 */
#ifndef KARMA_METHODS_KINDS_H
#define KARMA_METHODS_KINDS_H

#include "core/methods/method.h"

#define METHOD_KINDS(X)                                                                            \
    X(karma)                                                                                       \
    X(gym_hpa)                                                                                     \
    X(aware)                                                                                       \
    X(rlad)

#define METHOD_DECLARE_(name) extern const struct method_kind method_##name;
METHOD_KINDS(METHOD_DECLARE_)
#undef METHOD_DECLARE_

/* Element of method_kinds. */
#define METHOD_ELEMENT(name) &method_##name.cfg,

#endif
