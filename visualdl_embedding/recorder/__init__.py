"""From the training thread to the store and VisualDL's log, without holding the training up."""

from visualdl_embedding.recorder._once import next_step, record_once
from visualdl_embedding.recorder._recorder import Recorder
from visualdl_embedding.recorder._settings import RecorderSettings

__all__ = ["Recorder", "RecorderSettings", "next_step", "record_once"]
