"""From the training thread to the store and VisualDL's log, without holding the training up."""

from visualdl_embedding.recorder._recorder import Recorder, RecorderSettings

__all__ = ["Recorder", "RecorderSettings"]
