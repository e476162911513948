"""Visualize the embedding layer of a saved model. Copy this file into your own scripts.

python visualize_embedding.py --model_path ./ernie_model --vocab_file ./vocab.txt --top_k 500 --method tsne --output_dir ./vis_results
"""  # noqa: E501

from visualdl_embedding.cli import visualize

if __name__ == "__main__":
    visualize()
