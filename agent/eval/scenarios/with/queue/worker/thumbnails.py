"""Makes thumbnails."""

import threading

pause = threading.Event()
RENDER_SECONDS = 0.01


def make(job):
    width, height = (int(part) for part in job["size"].split("x"))
    pause.wait(RENDER_SECONDS)  # stands for the time that scaling takes
    return max(width, height) // min(width, height)
