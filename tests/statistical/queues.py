"""Waits of queues with several servers, in closed form or numerically exact. Times in any unit."""

from __future__ import annotations

from math import exp, factorial, lgamma, log

import numpy as np

_MOST = 150
"""Requests in the system beyond which the stationary distribution is cut off."""


def erlang_c(servers: int, offered: float) -> float:
    """Return the probability of waiting in M/M/c, for `offered` = arrival rate x mean service < `servers`.

    Source: Erlang 1917.
    """
    busy = offered**servers / factorial(servers) * servers / (servers - offered)
    return busy / (sum(offered**k / factorial(k) for k in range(servers)) + busy)


def m_m_c_later(rate: float, service: float, servers: int, limit: float) -> float:
    """Return the share of requests of M/M/c whose wait and service take longer than `limit`; 1 if it is unstable.

    Given that it waits (Erlang C), the wait is exponential of rate c/S - rate; the service is exponential and
    independent of it.

    Source: Gross and Harris, Fundamentals of Queueing Theory, 2.3.
    """
    offered = rate * service
    if offered >= servers:
        return 1.0
    spare = servers - 1 - offered
    x = limit / service
    queued = x if abs(spare) < 1e-12 else (1 - exp(-x * spare)) / spare
    return exp(-x) * (1 + erlang_c(servers, offered) * queued)


def m_d_c_later(rate: float, service: float, servers: int, wait: float) -> float:
    """Return the share of requests of M/D/c that wait for longer than `wait`; 1 if it is unstable.

    With (k - 1) S <= wait < k S, P(W <= wait) = exp(-u) sum over j < k c of Q[k c - 1 - j] u^j / j!, where
    u = rate (k S - wait) and Q[m] is the stationary probability of at most c + m in the system.

    Source: Franx, "A simple solution for the M/D/c waiting time distribution", Operations Research Letters 29, 2001.
    """
    if rate * service >= servers:
        return 1.0
    k = int(wait // service) + 1
    u = rate * (k * service - wait)
    below = np.cumsum(_in_system(rate * service, servers))
    total = 0.0
    for j in range(k * servers):
        weight = exp(-u + (j * log(u) if j else 0.0) - lgamma(j + 1))
        total += below[servers + k * servers - 1 - j] * weight
    return 1 - total


def _in_system(offered: float, servers: int) -> np.ndarray:
    """Return the stationary distribution of the number in the system of M/D/c.

    A service later all that were in service have left, and a Poisson number has come: N' = max(N - c, 0) + A
    (Crommelin 1932).
    """
    counts = np.arange(_MOST)
    arrive = np.exp(-offered + counts * log(offered) - np.array([lgamma(n + 1) for n in counts]))
    step = np.zeros((_MOST, _MOST))
    for n in counts:
        left = max(n - servers, 0)
        step[n, left:] = arrive[: _MOST - left]
        step[n, -1] += 1 - step[n].sum()
    balance = step.T - np.eye(_MOST)
    balance[-1] = 1.0
    return np.linalg.solve(balance, np.eye(_MOST)[-1])
