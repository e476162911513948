"""Labels of a table's row ids, and selection of the rows to watch."""

from visualdl_embedding.vocabulary._keys import name_keys
from visualdl_embedding.vocabulary._metadata import Metadata, MetadataLike, read_metadata
from visualdl_embedding.vocabulary._picker import KEEP
from visualdl_embedding.vocabulary._read import VocabularyLike, has_ids, open_vocabulary
from visualdl_embedding.vocabulary._select import RowsLike, Stratified, check_length, select_rows
from visualdl_embedding.vocabulary._tokens import token_kind
from visualdl_embedding.vocabulary._vocabulary import Vocabulary

__all__ = [
    "KEEP",
    "Metadata",
    "MetadataLike",
    "RowsLike",
    "Stratified",
    "Vocabulary",
    "VocabularyLike",
    "check_length",
    "has_ids",
    "name_keys",
    "open_vocabulary",
    "read_metadata",
    "select_rows",
    "token_kind",
]
