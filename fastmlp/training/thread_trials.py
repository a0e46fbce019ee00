"""The number of threads of a training with ``n_threads="auto"``, decided by the measured speed of its chunks."""

#: Seconds that a chunk of an epoch, which is one call into the kernels, should take: between chunks, Ctrl-C and the
#: progress bar are handled.
CHUNK_S = 0.25
#: Seconds that a trial of the other number of threads should take, and between the first trials. The pause doubles with
#: every trial that changes nothing.
TRIAL_S, FIRST_PAUSE_S, LONGEST_PAUSE_S = 0.05, 1.0, 60.0


class ThreadTrials:
    """Choice between one thread and several, by the measured speed of both.

    Threads that share their cores with other programs wait for each other: two threads of 784-128-10 took 5 times as
    long as one while another process kept one of two cores of a Zen 5 busy. No result depends on the number of threads,
    so it may change at any step.

    Parameters
    ----------
    most_threads : int
        The largest number of threads to try.

    Examples
    --------
    >>> trials = ThreadTrials(2)
    >>> trials.n_threads, trials.seconds
    (1, 0.05)
    >>> trials.record(1, n_steps=10, seconds=0.05)
    >>> trials.n_threads
    2
    >>> trials.record(2, n_steps=15, seconds=0.05)
    >>> trials.n_threads, trials.seconds
    (2, 0.25)
    """

    def __init__(self, most_threads: int) -> None:
        self._most, self._prefers_one = most_threads, False
        #: Steps and seconds of one thread (True) and of several (False) since their last trial began.
        self._measured = {True: (0, 0.0), False: (0, 0.0)}
        self._pause, self._until_trial, self._is_first = FIRST_PAUSE_S, 0.0, True

    @property
    def _is_trial(self) -> bool:
        return self._most > 1 and (self._is_first or self._until_trial <= 0.0)

    @property
    def _uses_one(self) -> bool:
        if self._most == 1 or self._is_first:
            return self._most == 1 or self._measured[True][1] < TRIAL_S
        return self._prefers_one != self._is_trial

    @property
    def n_threads(self) -> int:
        """The largest number of threads for the next chunk."""
        return 1 if self._uses_one else self._most

    @property
    def seconds(self) -> float:
        """Seconds that the next chunk should take."""
        return TRIAL_S if self._is_trial else CHUNK_S

    def record(self, n_threads: int, n_steps: int, seconds: float) -> None:
        """Note the speed of the last chunk, and decide about the next.

        Parameters
        ----------
        n_threads : int
            The threads that it had. A chunk of one thread where several were due, since no core was free, does not
            count.
        n_steps : int
            Its steps.
        seconds : float
            Its duration.
        """
        is_one = self._uses_one
        if self._most == 1 or is_one != (n_threads == 1):
            return
        before = self._measured[is_one]
        self._measured[is_one] = before[0] + n_steps, before[1] + seconds
        if not self._is_trial:
            self._until_trial -= seconds
            if self._until_trial <= 0.0:
                self._measured[not is_one] = 0, 0.0
        elif all(total >= TRIAL_S for _, total in self._measured.values()):
            speeds = {one: n / total for one, (n, total) in self._measured.items()}
            prefers_one = speeds[True] >= speeds[False]
            has_changed, self._prefers_one = prefers_one != self._prefers_one, prefers_one
            self._pause = FIRST_PAUSE_S if has_changed or self._is_first else min(2 * self._pause, LONGEST_PAUSE_S)
            self._until_trial, self._is_first = self._pause, False
            self._measured[prefers_one] = 0, 0.0
